"""The running application: structured concurrency over a store. It names no database."""
