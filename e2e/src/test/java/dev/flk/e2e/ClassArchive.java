// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * The classes of a program as the JVM lays them out in memory (AppCDS), written by the first test of a build that starts it: most of what a short run of
 * a program takes is to load and verify classes. Only speed depends on it; a JVM that can't use it does without.
 */
final class ClassArchive {
    private static final long PATIENCE_SECONDS = 60;
    private static final Map<Path, List<String>> OPTIONS = new ConcurrentHashMap<>();

    private ClassArchive() {}

    /** Options of the JVM for this jar of the build. */
    static List<String> options(Path jar) {
        return OPTIONS.computeIfAbsent(jar, ClassArchive::find);
    }

    private static List<String> find(Path jar) {
        try {
            Path archive = jar.resolveSibling(
                    jar.getFileName() + "-" + Files.getLastModifiedTime(jar).toMillis() + ".jsa");
            Path lock = jar.resolveSibling(jar.getFileName() + ".jsa.lock");
            // two JVMs run tests
            try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock held = channel.lock()) {
                if (held.isValid() && !Files.exists(archive)) {
                    write(jar, archive);
                }
            }
            // no word of it in what tests read
            return List.of("-XX:SharedArchiveFile=" + archive, "-Xlog:cds=off", "-Xlog:class+path=off");
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void write(Path jar, Path archive) throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("flk-class-archive");
        Path written = directory.resolve("classes.jsa");
        boolean isBackend = jar.getFileName().toString().equals("flk-backend.jar");
        Path lines = directory.resolve("lines");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:ArchiveClassesAtExit=" + written,
                "-Xlog:disable",
                "-jar",
                jar.toString()));
        command.addAll(isBackend ? List.of("serve") : List.of("run", "--until-empty"));
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(lines.toFile());
        builder.environment().clear();
        builder.environment().putAll(isBackend ? BackendProcess.environment() : agent(directory));
        Process process = builder.start();
        try {
            if (isBackend) {
                Client.awaitUntil(() -> Files.readString(lines).contains("ready: submissions are taken"));
                process.destroy();
            }
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) || !Files.exists(written)) {
                throw new AssertionError("no classes were written; the program printed\n" + Files.readString(lines));
            }
        } finally {
            process.destroyForcibly();
        }
        Files.move(written, archive, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Map<String, String> agent(Path directory) {
        return Map.of(
                "ENDPOINT",
                "http://127.0.0.1:1",
                "PCS_HMAC_KEY",
                Pcs.KEY,
                "OUTBOX_PATH",
                directory.resolve("outbox").toString(),
                "DLQ_PATH",
                directory.resolve("letters").toString());
    }
}
