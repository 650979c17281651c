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
 * An in-memory file system of a few MiB, mounted on a directory in the mount namespace of one program. It always
 * disappears with the program.
 */
record SmallDisk(String size, Path directory, List<String> unshare) {
    private static final List<List<String>> WAYS =
            List.of(List.of("unshare", "--mount"), List.of("unshare", "--map-root-user", "--mount"));

    /** Returns a disk. Skips the test if mounting is not permitted. */
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

    /** Returns the start of a command line that runs the command after it with the disk mounted. */
    List<String> mounting() {
        List<String> command = new ArrayList<>(unshare);
        command.addAll(List.of(
                "sh", "-c", "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"", "sh", size));
        command.add(directory.toString());
        return command;
    }

    /** Returns a path through which other processes can access the disk while the program runs. */
    Path seenFrom(Program program) {
        return Path.of("/proc/" + program.pid() + "/root")
                .resolve(directory.toString().substring(1));
    }

    /** Appends to a file until the disk is completely full. */
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
            return false; // unshare is not installed
        }
    }
}
