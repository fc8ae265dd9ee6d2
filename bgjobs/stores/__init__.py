"""The port (`abc`) and its adapters. Plain blocking code that knows no event loop."""
