//! Where an import reads from: files or standard input, plain or compressed.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::ProgressBar;

/// The first bytes tell compression and format.
const HEAD_BYTES: usize = 256;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Data with its first bytes known.
pub struct Source {
    /// At most 256 bytes; they are read again from `reader`.
    pub head: Vec<u8>,
    /// Everything, decompressed.
    pub reader: BufReader<Box<dyn Read>>,
}

/// One of the inputs.
pub enum Input {
    /// Standard input, which can be read once.
    Stdin,
    /// Standard input, kept in a file without a name to be read twice.
    Spool(File),
    /// A file.
    File(PathBuf),
}

impl Input {
    /// What was named on the command line; `-` and nothing mean standard input. With `reread` what
    /// comes through a pipe is kept in a temporary file.
    pub fn all(paths: &[PathBuf], reread: bool) -> anyhow::Result<Vec<Self>> {
        let stdin = || if reread { spool() } else { Ok(Self::Stdin) };
        if paths.is_empty() {
            return Ok(vec![stdin()?]);
        }
        let is_stdin = |path: &Path| path == Path::new("-");
        if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
            bail!("standard input (-) can be read once only");
        }
        // All are looked for before anything is sent.
        for path in paths.iter().filter(|path| !is_stdin(path)) {
            File::open(path).with_context(|| path.display().to_string())?;
        }
        paths
            .iter()
            .map(|path| if is_stdin(path) { stdin() } else { Ok(Self::File(path.clone())) })
            .collect()
    }

    /// How it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin | Self::Spool(_) => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Bytes as they are stored, if that is known.
    pub fn size_bytes(&self) -> Option<u64> {
        let metadata = match self {
            Self::Stdin => return None,
            Self::Spool(file) => file.metadata(),
            Self::File(path) => std::fs::metadata(path),
        };
        metadata.ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Begins to read; `progress` counts the bytes as they are stored.
    pub fn open(&self, progress: &ProgressBar) -> anyhow::Result<Source> {
        let raw: Box<dyn Read> = match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::Spool(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Box::new(file)
            }
            Self::File(path) => Box::new(File::open(path)?),
        };
        decompress(progress.wrap_read(raw))
    }
}

fn spool() -> anyhow::Result<Input> {
    let mut file = tempfile::tempfile().context("a temporary file for standard input")?;
    io::copy(&mut io::stdin(), &mut file).context("keeping standard input in a temporary file")?;
    Ok(Input::Spool(file))
}

/// Whether the data is a Zstandard frame.
pub fn is_zstd(data: &[u8]) -> bool {
    data.starts_with(&ZSTD)
}

fn decompress(mut raw: impl Read + 'static) -> anyhow::Result<Source> {
    let head = head(&mut raw)?;
    let is_gzip = head.starts_with(&GZIP);
    let is_zstd = is_zstd(&head);
    let raw = BufReader::new(Cursor::new(head.clone()).chain(raw));
    let mut reader: Box<dyn Read> = if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(raw))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else {
        return Ok(Source { head, reader: BufReader::new(Box::new(raw)) });
    };
    let head = self::head(&mut reader)?;
    let whole = Cursor::new(head.clone()).chain(reader);
    Ok(Source { head, reader: BufReader::with_capacity(128 << 10, Box::new(whole)) })
}

fn head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(data: &[u8]) -> (Vec<u8>, io::Result<Vec<u8>>) {
        let mut source = decompress(Cursor::new(data.to_vec())).unwrap();
        let mut all = Vec::new();
        let outcome = source.reader.read_to_end(&mut all);
        (source.head, outcome.map(|_| all))
    }

    #[test]
    fn compression_is_known_by_the_first_bytes() {
        let plain = "spans ".repeat(1_000).into_bytes();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        // Files that were appended to.
        let twice = [&gzip[..], &gzip[..]].concat();
        for (data, length) in [(&plain, 6_000), (&gzip, 6_000), (&zstd, 6_000), (&twice, 12_000)] {
            let (head, all) = read(data);
            assert_eq!(head, &plain[..HEAD_BYTES]);
            assert_eq!(all.unwrap().len(), length);
        }
        assert_eq!(read(b"").1.unwrap(), b"");
    }

    /// Catches a broken download that is taken for its end.
    #[test]
    fn what_breaks_off_is_an_error() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        assert!(read(&zstd[..zstd.len() / 2]).1.is_err());
    }
}
