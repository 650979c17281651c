// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The class archive of a program. After a build, the first test that starts the program writes the archive. It speeds
 * up short runs, which spend most of their time loading and verifying classes. A JVM that can't use the archive runs
 * without it.
 */
final class ClassArchive {
    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin", "java");
    private static final Map<Path, Path> ARCHIVES = new ConcurrentHashMap<>();

    private ClassArchive() {}

    /** Returns the JVM options that use the archive of this jar. */
    static List<String> options(Path jar) {
        // keep the JVM from printing messages about the archive, because tests check the output
        List<String> options = new ArrayList<>(printed("--options", JAVA.toString(), of(jar).toString())
                .lines()
                .toList());
        options.add("-Xlog:disable");
        return options;
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
                    printed(JAVA.toString(), jar.toString(), archive.toString());
                }
            }
            return archive;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String printed(String... arguments) {
        List<String> command = new ArrayList<>(
                List.of(Built.root().resolve("deploy/class-archive").toString()));
        command.addAll(List.of(arguments));
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new AssertionError(printed);
            }
            return printed;
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
