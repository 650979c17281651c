// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * A file system in memory of a few MiB that only one program sees in a directory, in its own mount namespace. It always
 * disappears with the program.
 */
record SmallDisk(String size, Path directory, List<String> unshare) {
    private static final List<List<String>> WAYS =
            List.of(List.of("unshare", "--mount"), List.of("unshare", "--map-root-user", "--mount"));

    /** Returns a disk; skips the test if mounting is not permitted. */
    static SmallDisk of(String size, Path directory) throws IOException, InterruptedException {
        for (List<String> way : WAYS) {
            SmallDisk disk = new SmallDisk(size, directory, way);
            if (disk.works()) {
                return disk;
            }
        }
        assumeTrue(
                false,
                "no small disk can be mounted: run this as root, or install util-linux and allow user namespaces"
                        + " (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)");
        throw new AssertionError("skipped");
    }

    /** Returns the beginning of a command line with which the command that follows sees the disk. */
    List<String> mounting() {
        List<String> command = new ArrayList<>(unshare);
        command.addAll(List.of(
                "sh", "-c", "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"", "sh", size));
        command.add(directory.toString());
        return command;
    }

    /** Returns a path to the disk from outside the program, valid while the program runs. */
    Path seenFrom(Program program) {
        return Path.of("/proc/" + program.pid() + "/root")
                .resolve(directory.toString().substring(1));
    }

    /** Appends to a file until the disk has no room at all. */
    static void fillUp(Path ballast) {
        byte[] page = new byte[4096];
        try (OutputStream more = Files.newOutputStream(ballast, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            for (int pages = 0; pages < 1 << 19; pages++) {
                more.write(page);
            }
        } catch (IOException full) {
            return;
        }
        throw new AssertionError("the disk does not fill up");
    }

    private boolean works() throws InterruptedException {
        List<String> command = mounting();
        command.add("true");
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false; // the program is not installed
        }
    }
}
