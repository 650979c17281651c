// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URISyntaxException;
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
 * A measured program. Its output goes to a file, and its costs are read from {@code /proc}, which requires Linux. It
 * ends at the latest with this process.
 */
public final class Program implements Closeable {
    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final long CLOCK_TICK_NANOS = 10_000_000;

    private final String name;
    private final Process process;
    private final Path log;
    private final Thread shutdownHook;

    private Program(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.shutdownHook = new Thread(process::destroyForcibly, name + "-end");
        Runtime.getRuntime().addShutdownHook(shutdownHook);
    }

    /** Starts a program whose environment consists of {@code environment} and {@code PATH} only. */
    static Program start(String name, Path directory, Map<String, String> environment, List<String> command)
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

    /** Starts a Java program in the same JVM installation as this one. */
    static Program java(String name, Path directory, Map<String, String> environment, List<String> arguments)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(arguments);
        return start(name, directory, environment, command);
    }

    /**
     * Starts the jar of a module from the module's build directory.
     *
     * @param module {@code backend} or {@code agent}
     */
    public static Program jar(
            String module,
            Path directory,
            Map<String, String> environment,
            List<String> jvmOptions,
            String... arguments)
            throws IOException {
        Path jar = ownJar().resolve("../../..")
                .resolve(module)
                .resolve("target")
                .resolve("flk-" + module + ".jar")
                .normalize();
        if (!Files.exists(jar)) {
            throw new IllegalStateException("there is no " + jar + "; build it with mvn -DskipTests package");
        }
        List<String> all = new ArrayList<>(jvmOptions);
        all.addAll(List.of("-jar", jar.toString()));
        all.addAll(List.of(arguments));
        return java(module, directory, environment, all);
    }

    static Path ownJar() {
        try {
            return Path.of(Program.class
                            .getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .toAbsolutePath();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Blocks until the program has printed a matching line; returns the first one, even if it was printed before the
     * call.
     */
    public String awaitLine(Predicate<String> condition) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (true) {
            boolean ended = !process.isAlive();
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(Files.newInputStream(log), StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    if (condition.test(line)) {
                        return line;
                    }
                }
            }
            if (ended || System.nanoTime() > deadline) {
                throw new IOException(
                        name + (ended ? " ended" : " did not print the expected line") + "; it printed: " + tail());
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private String tail() throws IOException {
        List<String> lines = Files.readAllLines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
    }

    /** Returns the processor time used so far, user and system, with a precision of 10 ms. */
    public long cpuNanos() {
        try {
            String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * CLOCK_TICK_NANOS;
        } catch (IOException e) {
            throw new IllegalStateException(name + " has ended", e);
        }
    }

    /** Returns the size of the resident memory. */
    public double residentMebibytes() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(name + " has ended", e);
        }
        throw new IllegalStateException("/proc has no VmRSS for " + name);
    }

    private int awaitEnd() throws IOException, InterruptedException {
        if (!process.waitFor(TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException(name + " does not end; it printed: " + tail());
        }
        return process.exitValue();
    }

    /** Blocks until the program ends; throws if it failed. */
    public void awaitSuccess() throws IOException, InterruptedException {
        if (awaitEnd() != 0) {
            throw new IOException(name + " failed; it printed: " + tail());
        }
    }

    /** Sends SIGTERM and blocks until the program ends. */
    public void terminate() throws IOException, InterruptedException {
        process.destroy();
        awaitEnd();
    }

    /** Sends SIGTERM, then SIGKILL if the program does not end within two minutes. */
    @Override
    public void close() {
        process.destroy();
        if (process.onExit()
                .completeOnTimeout(process, TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                .join()
                .isAlive()) {
            process.destroyForcibly().onExit().join();
        }
        Runtime.getRuntime().removeShutdownHook(shutdownHook);
    }
}
