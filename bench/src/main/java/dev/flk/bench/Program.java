// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A measured program. The output of the program goes to a file, and its costs are read from {@code /proc}, which
 * requires Linux. The program is killed when this process exits.
 */
final class Program implements Closeable {
    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final HttpClient HTTP = HttpClient.newHttpClient();

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

    /** Starts the main method of a class in this jar. The program runs until it is killed. */
    static Program own(Class<?> program, Path directory) throws IOException {
        return java(
                program.getSimpleName(), directory, Map.of(), List.of("-cp", ownJar().toString(), program.getName()));
    }

    private static Program java(String name, Path directory, Map<String, String> environment, List<String> arguments)
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
    static Program jar(
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
            URL location = Program.class.getProtectionDomain().getCodeSource().getLocation();
            return Path.of(location.toURI()).toAbsolutePath();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Blocks until the program has printed a matching line, and returns the first such line. The line may have been
     * printed before the call.
     *
     * @throws IOException if the program ends without printing such a line, or does not print it within two minutes
     */
    String awaitLine(Predicate<String> condition) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (true) {
            boolean ended = !process.isAlive();
            Optional<String> line = printed().filter(condition).findFirst();
            if (line.isPresent()) {
                return line.get();
            }
            if (ended || System.nanoTime() > deadline) {
                throw new IOException(
                        name + (ended ? " ended" : " did not print the expected line") + "; it printed: " + tail());
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    /** Returns the lines printed so far; an incomplete character at the end is replaced. */
    private Stream<String> printed() throws IOException {
        return new String(Files.readAllBytes(log), StandardCharsets.UTF_8).lines();
    }

    private String tail() throws IOException {
        List<String> lines = printed().toList();
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
    }

    /** Returns the processor time used so far, user and system, with a precision of 10 ms. */
    private long cpuNanos() {
        return process.info()
                .totalCpuDuration()
                .orElseThrow(() -> new IllegalStateException(name + " has ended"))
                .toNanos();
    }

    /**
     * A meter of processor time. The meter must be run at the start and at the end of a measurement; afterwards, it
     * contains the processor time that the program used between these two runs.
     */
    final class CpuTime implements Runnable {
        private long readNanos;
        private long spentNanos;

        @Override
        public void run() {
            long now = cpuNanos();
            spentNanos = now - readNanos;
            readNanos = now;
        }

        CpuTime started() {
            run();
            return this;
        }

        double microsPer(long items) {
            return spentNanos / 1e3 / Math.max(1, items);
        }
    }

    /** Returns a meter that has not run yet. */
    CpuTime cpuTime() {
        return new CpuTime();
    }

    /** Returns the size of the program's resident memory. */
    double residentMebibytes() {
        Path status = Path.of("/proc/" + process.pid() + "/status");
        try (Stream<String> lines = Files.lines(status)) {
            String resident =
                    lines.filter(line -> line.startsWith("VmRSS:")).findFirst().orElseThrow();
            return Long.parseLong(resident.replaceAll("\\D", "")) / 1024.0;
        } catch (IOException | NoSuchElementException e) {
            throw new IllegalStateException(name + " has ended", e);
        }
    }

    /**
     * Blocks until a metric is at most {@code max}, and returns the value of the metric. Each read makes the program
     * render its metrics, which counts towards the program's processor time.
     *
     * @param port the port that serves {@code /metrics}
     * @throws IOException if the metric does not exist, or is still above {@code max} after five minutes
     */
    static long awaitMetric(int port, String metric, long max) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics"))
                .build();
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
        while (true) {
            long value = HTTP.send(request, BodyHandlers.ofLines())
                    .body()
                    .filter(line -> line.startsWith(metric + " "))
                    .map(line -> Math.round(Double.parseDouble(line.substring(metric.length()))))
                    .findFirst()
                    .orElseThrow(() -> new IOException("there is no metric " + metric));
            if (value <= max) {
                return value;
            }
            if (System.nanoTime() > deadline) {
                throw new IOException("the metric " + metric + " is still " + value + " instead of at most " + max);
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    private int awaitEnd() throws IOException, InterruptedException {
        if (!process.waitFor(TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException(name + " did not end within " + TIMEOUT.toSeconds() + " s; it printed: " + tail());
        }
        return process.exitValue();
    }

    /** Blocks until the program ends; throws if it failed. */
    void awaitSuccess() throws IOException, InterruptedException {
        if (awaitEnd() != 0) {
            throw new IOException(name + " failed; it printed: " + tail());
        }
    }

    /** Sends SIGTERM and blocks until the program ends. */
    void terminate() throws IOException, InterruptedException {
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
