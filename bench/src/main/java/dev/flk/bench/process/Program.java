// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * A program that is measured: its lines, which go to a file, and what it costs. It does not outlive this process. Linux only, for what it
 * costs is read from {@code /proc}.
 */
public final class Program implements Closeable {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final long CLOCK_TICK_NANOS = 10_000_000;

    private final String name;
    private final Process process;
    private final Path log;
    private final Thread lastResort;

    private Program(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.lastResort = new Thread(process::destroyForcibly, name + "-end");
        Runtime.getRuntime().addShutdownHook(lastResort);
    }

    /** Starts a program; its environment is only what is given. */
    public static Program start(String name, Path directory, Map<String, String> environment, List<String> command)
            throws IOException {
        Path log = Files.createTempFile(directory, name + "-", ".log");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectOutput(log.toFile());
        builder.environment().clear();
        builder.environment().put("PATH", System.getenv("PATH"));
        builder.environment().putAll(environment);
        return new Program(name, builder.start(), log);
    }

    /** Starts a Java program with the JVM that runs this one. */
    public static Program java(String name, Path directory, Map<String, String> environment, List<String> arguments)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(arguments);
        return start(name, directory, environment, command);
    }

    /** Waits for a line, also one that is there already. */
    public String awaitLine(Predicate<String> wanted) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            boolean ended = !process.isAlive();
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(Files.newInputStream(log), StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    if (wanted.test(line)) {
                        return line;
                    }
                }
            }
            if (ended || System.nanoTime() > deadline) {
                throw new IOException(name + (ended ? " ended" : " does not get on") + "; it printed: " + tail());
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private String tail() throws IOException {
        List<String> lines = Files.readAllLines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
    }

    /** What it has printed. */
    public List<String> lines() throws IOException {
        return Files.readAllLines(log);
    }

    /** The processor time that it has used, user and system, in nanoseconds; to a hundredth of a second. */
    public long cpuNanos() {
        try {
            String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * CLOCK_TICK_NANOS;
        } catch (IOException e) {
            throw new IllegalStateException(name + " ended", e);
        }
    }

    /** What it holds of the memory, in bytes. */
    public long residentBytes() {
        return status("VmRSS:") * 1024;
    }

    private long status(String field) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))) {
                if (line.startsWith(field)) {
                    return Long.parseLong(
                            line.substring(field.length()).replace("kB", "").strip());
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(name + " ended", e);
        }
        throw new IllegalStateException("no " + field + " of " + name);
    }

    /** Waits for its end; its exit code. */
    public int awaitEnd() throws IOException, InterruptedException {
        if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException(name + " does not end; it printed: " + tail());
        }
        return process.exitValue();
    }

    /** SIGTERM, and waits for its end. */
    public void terminate() throws IOException, InterruptedException {
        process.destroy();
        var unused = awaitEnd();
    }

    /** Asks it to end; ends it, if it does not. */
    @Override
    public void close() {
        process.destroy();
        if (process.onExit()
                .completeOnTimeout(process, PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join()
                .isAlive()) {
            process.destroyForcibly().onExit().join();
        }
        Runtime.getRuntime().removeShutdownHook(lastResort);
    }
}
