// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A directory in which {@code ./flk} can be called, with the demo's data. */
record DocsShell(Path directory) {
    private static final long PATIENCE_SECONDS = 60;

    /** What a command printed, and how it ended. */
    record Ran(int exitCode, String out, String err) {}

    /** Of a directory that is there and empty. */
    static DocsShell in(Path directory) throws IOException {
        layOut(directory);
        return new DocsShell(directory);
    }

    /** What {@code ./flk} needs of the project. */
    private static void layOut(Path directory) throws IOException {
        Files.copy(Built.root().resolve("flk"), directory.resolve("flk"));
        assertThat(directory.resolve("flk").toFile().setExecutable(true)).isTrue();
        for (String shared : List.of("demo", "deploy", "alerts", "docs")) {
            Files.createSymbolicLink(directory.resolve(shared), Built.root().resolve(shared));
        }
        for (String program : List.of("backend", "agent")) {
            Path target = Files.createDirectories(directory.resolve(program).resolve("target"));
            Files.createSymbolicLink(target.resolve("flk-" + program + ".jar"), Built.jar("flk-" + program));
            Files.createSymbolicLink(directory.resolve("flk-" + program + ".jar"), Built.jar("flk-" + program));
        }
        Files.createDirectory(directory.resolve("spool"));
    }

    /** Runs a command line by bash, as somebody would who has set what the docs say. */
    Ran run(String command, Map<String, String> variables) throws IOException, InterruptedException {
        Path out = Files.createTempFile(directory, "out", "");
        Path err = Files.createTempFile(directory, "err", "");
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", command)
                .directory(directory.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        Map<String, String> environment = builder.environment();
        environment.clear();
        environment.put("PATH", System.getenv("PATH"));
        environment.put("HOME", directory.toString());
        environment.put("LC_ALL", "C.UTF-8");
        environment.put("JAVA_HOME", System.getProperty("java.home"));
        environment.put("JAVA_TOOL_OPTIONS", String.join(" ", Program.QUICK_START));
        environment.putAll(variables);
        Process process = builder.start();
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
            throw new AssertionError("does not end: " + command);
        }
        String printed =
                Files.readString(err, StandardCharsets.UTF_8).replaceAll("(?m)^Picked up JAVA_TOOL_OPTIONS.*\\n", "");
        return new Ran(process.exitValue(), Files.readString(out, StandardCharsets.UTF_8), printed);
    }
}
