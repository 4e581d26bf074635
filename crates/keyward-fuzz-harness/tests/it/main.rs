//! The corpora of the fuzz targets, replayed: what a fuzzer once found stays found.

#[cfg(test)]
mod replay;
