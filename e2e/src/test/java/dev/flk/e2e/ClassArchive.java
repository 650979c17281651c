// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The AppCDS archive of a program. After a build, the first test that starts the program writes the archive. It speeds
 * up short runs, which spend most of their time loading and verifying classes. A JVM that can't use the archive runs
 * without it.
 */
final class ClassArchive {
    private static final Map<Path, Path> ARCHIVES = new ConcurrentHashMap<>();

    private ClassArchive() {}

    /** Returns the JVM options that use the archive of this jar. */
    static List<String> options(Path jar) {
        // keep the JVM from printing messages about the archive, because tests check the output
        return List.of("-XX:SharedArchiveFile=" + of(jar), "-Xlog:disable");
    }

    static Path of(Path jar) {
        return ARCHIVES.computeIfAbsent(jar, ClassArchive::find);
    }

    private static Path find(Path jar) {
        try {
            Path archive = jar.resolveSibling(
                    jar.getFileName() + "-" + Files.getLastModifiedTime(jar).toMillis() + ".jsa");
            Path lock = jar.resolveSibling(jar.getFileName() + ".jsa.lock");
            // several JVMs run tests concurrently
            try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock held = channel.lock()) {
                if (held.isValid() && !Files.exists(archive)) {
                    write(jar, archive);
                }
            }
            return archive;
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void write(Path jar, Path archive) throws IOException, InterruptedException {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        Process process = new ProcessBuilder(
                        Built.root().resolve("deploy/class-archive").toString(),
                        java.toString(),
                        jar.toString(),
                        archive.toString())
                .redirectErrorStream(true)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new AssertionError(printed);
        }
    }
}
