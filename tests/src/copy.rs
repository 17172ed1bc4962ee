//! Copies files and folders.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::Path;

/// Copies a file, or a folder with what of it is wanted. With its times, Cargo takes what is built
/// for what it is; without them, everything is newer than what was built before. Sockets and other
/// things that only look like files are left out.
///
/// # Errors
/// The file system's own.
pub fn copy(
    from: &Path,
    to: &Path,
    wants: &dyn Fn(&str) -> bool,
    has_times: bool,
) -> io::Result<()> {
    let found = fs::metadata(from)?;
    if found.is_file() {
        let mut copied = File::create(to)?;
        io::copy(&mut File::open(from)?, &mut copied)?;
        copied.flush()?;
        fs::set_permissions(to, found.permissions())?;
        return match has_times {
            true => copied.set_times(FileTimes::new().set_modified(found.modified()?)),
            false => Ok(()),
        };
    }
    if !found.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if wants(&name.to_string_lossy()) {
            copy(&from.join(&name), &to.join(&name), &|_| true, has_times)?;
        }
    }
    Ok(())
}
