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

/** A measured program: its lines, which go to a file, and its costs, read from {@code /proc} (Linux only). It ends with this process. */
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

    /** Starts a Java program with the JVM that runs this one. */
    static Program java(String name, Path directory, Map<String, String> environment, List<String> arguments)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(arguments);
        return start(name, directory, environment, command);
    }

    /**
     * Starts the jar of a module, as the build leaves it beside the jar of this program.
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

    /** Its processor time so far, user and system; precise to 10 ms. */
    public long cpuNanos() {
        try {
            String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * CLOCK_TICK_NANOS;
        } catch (IOException e) {
            throw new IllegalStateException(name + " ended", e);
        }
    }

    /** Its resident memory. */
    public double residentMebibytes() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(name + " ended", e);
        }
        throw new IllegalStateException("no VmRSS of " + name);
    }

    private int awaitEnd() throws IOException, InterruptedException {
        if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException(name + " does not end; it printed: " + tail());
        }
        return process.exitValue();
    }

    /** Waits for its end, which must be without an error. */
    public void awaitSuccess() throws IOException, InterruptedException {
        if (awaitEnd() != 0) {
            throw new IOException(name + " failed; it printed: " + tail());
        }
    }

    /** SIGTERM, and waits for its end. */
    public void terminate() throws IOException, InterruptedException {
        process.destroy();
        var unused = awaitEnd();
    }

    /** SIGTERM, then SIGKILL if it does not end. */
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
