"""File formats of published benchmarks, read without the libraries that wrote them.

Each module knows bytes and nothing of architectures: pickles entry by entry,
files of ``torch.save``, TFRecord, the protocol-buffer wire format, bzip2 with
a bound.  Nothing that a file names is imported or run.
"""
