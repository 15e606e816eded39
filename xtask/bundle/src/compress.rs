//! A `.br` and a `.gz` beside each file, so that the server compresses nothing at run time.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use walkdir::WalkDir;

/// Already compressed formats gain nothing.
const COMPRESSIBLE: [&str; 8] = ["css", "html", "js", "json", "svg", "txt", "wasm", "webmanifest"];

/// Compresses all files below `dir`; lightly when `fast`.
pub fn all(dir: &Path, fast: bool) -> anyhow::Result<()> {
    let (brotli_quality, gzip_level) = if fast { (4, 4) } else { (11, 9) };
    for path in files(dir)? {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !COMPRESSIBLE.contains(&extension) {
            continue;
        }
        let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        write(&beside(&path, "br"), &with_brotli(&content, brotli_quality)?)?;
        write(&beside(&path, "gz"), &with_gzip(&content, gzip_level)?)?;
    }
    Ok(())
}

/// The uncompressed files below `dir`, by name.
pub fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
        let is_result =
            entry.path().extension().is_some_and(|extension| extension == "br" || extension == "gz");
        if entry.file_type().is_file() && !is_result {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// `app.js` and `br` make `app.js.br`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

fn with_brotli(content: &[u8], quality: i32) -> anyhow::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let parameters = BrotliEncoderParams {
        quality,
        lgwin: 22,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters).context("brotli")?;
    Ok(compressed)
}

fn with_gzip(content: &[u8], level: u32) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).context("gzip")?;
    encoder.finish().context("gzip")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    // The server sends these files instead of the original: they have to hold the same.
    #[test]
    fn what_is_compressed_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let content = "body { color: red }\n".repeat(500);
        fs::write(dir.path().join("style.css"), &content).unwrap();
        fs::write(dir.path().join("logo.png"), "png").unwrap();
        all(dir.path(), false).unwrap();

        let br = fs::read(dir.path().join("style.css.br")).unwrap();
        let gz = fs::read(dir.path().join("style.css.gz")).unwrap();
        assert!(br.len() < content.len() / 10 && gz.len() < content.len() / 10);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &br[..], &mut back).unwrap();
        assert_eq!(back, content.as_bytes());
        let mut back = String::new();
        flate2::read::GzDecoder::new(&gz[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, content);
        assert!(!dir.path().join("logo.png.br").exists());
    }
}
