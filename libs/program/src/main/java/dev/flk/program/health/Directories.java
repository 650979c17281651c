// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.Finding.Grade;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Checks of directories that a program writes to. A missing directory counts as writable if the program can create it.
 */
public final class Directories {
    private static final String DISK = "disk";

    private Directories() {}

    /** Returns a finding that states whether this user can write to a directory, or create it. */
    public static Finding writable(String subject, Path directory) {
        Path there = existing(directory);
        if (!Files.isDirectory(there)) {
            return Finding.bad(subject, there + " is a file, but must be a directory");
        }
        if (!Files.isWritable(there)) {
            return Finding.bad(
                    subject, "this user may not write to " + there + "; change its owner, or run as another user");
        }
        return Finding.good(subject, directory + (there.equals(directory) ? "" : " will be created"));
    }

    /** Returns the free space, in bytes, of the file system that contains the directory, or will contain it. */
    public static long freeBytes(Path directory) throws IOException {
        return Files.getFileStore(existing(directory)).getUsableSpace();
    }

    /**
     * Returns a finding about a directory that must be writable, and about the free space of its file system.
     *
     * @param limitSetting the setting of the least free space; empty if there is none
     * @param consequence what happens below it
     */
    public static Finding space(
            String setting, Path directory, String limitSetting, long minFreeBytes, String consequence)
            throws IOException {
        Finding writable = writable(DISK, directory);
        if (writable.grade() == Grade.BAD) {
            return Finding.bad(DISK, setting + ": " + writable.text());
        }
        long free = freeBytes(directory);
        String left = setting + " " + directory + " has " + ErrorMessages.bytes(free) + " free";
        if (free < minFreeBytes) {
            return Finding.bad(
                    DISK,
                    left + ", less than " + limitSetting + " (" + ErrorMessages.bytes(minFreeBytes) + "): "
                            + consequence + "; free space");
        }
        return free < 2 * minFreeBytes
                ? Finding.doubtful(
                        DISK,
                        left + "; below " + limitSetting + " (" + ErrorMessages.bytes(minFreeBytes) + "), "
                                + consequence + "; free space")
                : Finding.good(DISK, left);
    }

    /** Returns the directory if it exists; otherwise, returns the nearest ancestor of the directory that exists. */
    public static Path existing(Path directory) {
        Path there = directory.toAbsolutePath().normalize();
        while (!Files.exists(there) && there.getParent() != null) {
            there = there.getParent();
        }
        return there.equals(directory.toAbsolutePath().normalize()) ? directory : there;
    }
}
