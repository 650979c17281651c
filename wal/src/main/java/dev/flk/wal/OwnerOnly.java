// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * What is created is for the account that runs the program and for nobody else, whatever the umask. What is there already
 * keeps its permissions: somebody may have chosen them.
 */
public final class OwnerOnly {
    private OwnerOnly() {}

    /** For a new file: 0600; nothing where the file system has no such permissions. */
    public static FileAttribute<?>[] file(Path path) {
        return attributes(path, "rw-------");
    }

    /** For a new directory: 0700. */
    public static FileAttribute<?>[] directory(Path path) {
        return attributes(path, "rwx------");
    }

    private static FileAttribute<?>[] attributes(Path path, String permissions) {
        return path.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
                }
                : new FileAttribute<?>[0];
    }
}
