"""The commands of `bgjobs`: each parses its options, asks the store, and writes the answer."""
