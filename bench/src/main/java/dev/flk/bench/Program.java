// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Sample;
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

    static {
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly)));
    }

    private Program(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
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
     * @param module {@code backend}, {@code agent} or {@code state}
     */
    static Program jar(
            String module,
            Path directory,
            Map<String, String> environment,
            List<String> jvmOptions,
            String... arguments)
            throws IOException {
        Path jar = ownJar().resolve("../../..")
                .resolve(module.equals("state") ? "state/server" : module)
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

    /**
     * Writes the class archive of a program, with the JVM of this process.
     *
     * @return the options of the JVM that use the archive
     */
    static List<String> classArchive(String module, Path archive) throws IOException, InterruptedException {
        Path root = ownJar().resolve("../../..").normalize();
        Process process = new ProcessBuilder(
                        root.resolve("deploy/class-archive").toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        root.resolve(module)
                                .resolve("target")
                                .resolve("flk-" + module + ".jar")
                                .toString(),
                        archive.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<String> options =
                process.inputReader(StandardCharsets.UTF_8).lines().toList();
        if (process.waitFor() != 0) {
            throw new IOException("the class archive of " + module + " could not be written");
        }
        return options;
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

    /** Blocks until the program has printed a text that ends before a port, and returns the port. */
    int awaitPort(String before) throws IOException, InterruptedException {
        String line = awaitLine(text -> text.contains(before));
        return Integer.parseInt(
                line.substring(line.indexOf(before) + before.length()).split("\\D", 2)[0]);
    }

    /** Returns the lines printed so far; an incomplete character at the end is replaced. */
    private Stream<String> printed() throws IOException {
        return new String(Files.readAllBytes(log), StandardCharsets.UTF_8).lines();
    }

    private String tail() throws IOException {
        List<String> lines = printed().toList();
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
    }

    /**
     * A meter of the program's costs. It must be run at the start and at the end of a measurement; {@link #sample} then
     * returns the processor time between these two runs, which has a precision of 10 ms.
     */
    final class Costs implements Runnable {
        private long readNanos;
        private long spentNanos;

        @Override
        public void run() {
            long now = process.info()
                    .totalCpuDuration()
                    .orElseThrow(Program.this::ended)
                    .toNanos();
            spentNanos = now - readNanos;
            readNanos = now;
        }

        Costs started() {
            run();
            return this;
        }

        /** Returns the rate and the costs of {@code items} certificates or operations. */
        Sample sample(long items, double seconds) {
            return Sample.ofRate(items / seconds)
                    .with(Figure.CPU_MICROS, spentNanos / 1e3 / Math.max(1, items))
                    .with(Figure.RESIDENT_MEBIBYTES, residentMebibytes());
        }
    }

    /** Returns a meter that has not run yet. */
    Costs costs() {
        return new Costs();
    }

    private IllegalStateException ended() {
        return new IllegalStateException(name + " has ended");
    }

    /** Returns the size of the program's resident memory. */
    double residentMebibytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) {
            String resident =
                    lines.filter(line -> line.startsWith("VmRSS:")).findFirst().orElseThrow(this::ended);
            return Long.parseLong(resident.replaceAll("\\D", "")) / 1024.0;
        } catch (IOException e) {
            throw ended();
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

    /** Blocks until the program ends; throws if it failed. */
    void awaitSuccess() throws IOException, InterruptedException {
        if (!process.waitFor(TIMEOUT.toSeconds(), TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IOException(name + " failed or is still running; it printed: " + tail());
        }
    }

    /** Sends SIGTERM, then SIGKILL if the program does not end within two minutes. Blocks until the program ends. */
    @Override
    public void close() {
        process.destroy();
        process.onExit()
                .completeOnTimeout(process, TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                .join();
        process.destroyForcibly().onExit().join();
    }
}
