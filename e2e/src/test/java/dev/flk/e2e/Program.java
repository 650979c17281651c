// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
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
import java.util.stream.Stream;

/**
 * A running program of this project. It provides the program's output and methods to stop it. The program never
 * outlives its test.
 */
final class Program implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** The options for a JVM that serves only a few requests. */
    static final List<String> QUICK_START = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

    /** The default JVM options, which are those of the JVMs that run the tests. */
    private static final List<String> USUAL = Stream.of(
                    System.getProperty("flk.testJvm", "").split(" "))
            .filter(option -> option.startsWith("-"))
            .toList();

    private final String name;
    private final Process process;
    private final Lines lines = new Lines();
    private final List<Thread> readers = new ArrayList<>();
    private final StringBuilder out = new StringBuilder();

    private Program(String name, Process process) {
        Starts.count(Started.JVM);
        this.name = name;
        this.process = process;
        readers.add(reader(process.getErrorStream(), null));
        readers.add(reader(process.getInputStream(), out));
    }

    /** Starts one of the jars with only {@code PATH} and these environment variables. */
    static Program java(String jar, Path directory, Map<String, String> environment, List<String> jvm, String... args)
            throws IOException {
        List<String> command = javaCommand(jar, jvm);
        command.addAll(List.of(args));
        return new Program(jar, start(directory, environment, command));
    }

    /** Starts a copy of a jar with only {@code PATH} and these environment variables. */
    static Program java(Path copy, Path directory, Map<String, String> environment) throws IOException {
        List<String> command = javaCommand(copy, QUICK_START);
        return new Program(copy.getFileName().toString(), start(directory, environment, command));
    }

    /** Starts one of the jars under a limit set by the shell, such as {@code ulimit -f 1024}. */
    static Program limited(String limit, String jar, Path directory, Map<String, String> environment)
            throws IOException {
        List<String> command = new ArrayList<>(List.of("sh", "-c", limit + "; exec \"$@\"", "sh"));
        command.addAll(javaCommand(jar, List.of()));
        return new Program(jar, start(directory, environment, command));
    }

    /**
     * Starts one of the jars through wrapper commands such as {@code strace -D} or {@code unshare}. The process of each
     * wrapper must become the process of the next command, by {@code exec}.
     */
    static Program through(
            List<String> before, String jar, Path directory, Map<String, String> environment, String... args)
            throws IOException {
        List<String> command = new ArrayList<>(before);
        command.addAll(javaCommand(jar, QUICK_START));
        command.addAll(List.of(args));
        return new Program(jar, start(directory, environment, command));
    }

    /** Starts a script by its interpreter, with only {@code PATH} and these environment variables. */
    static Program host(Path interpreter, Path directory, Map<String, String> environment, Path script, String... args)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(interpreter.toString(), script.toString()));
        command.addAll(List.of(args));
        return new Program(script.getFileName().toString(), start(directory, environment, command));
    }

    private static List<String> javaCommand(String jar, List<String> jvm) {
        Path built = Built.jar(jar);
        List<String> options = new ArrayList<>(ClassArchive.options(built));
        options.addAll(jvm.isEmpty() ? USUAL : jvm);
        return javaCommand(built, options);
    }

    private static List<String> javaCommand(Path jar, List<String> jvm) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvm);
        command.add("-jar");
        command.add(jar.toString());
        return command;
    }

    private static Process start(Path directory, Map<String, String> environment, List<String> command)
            throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
        builder.environment().clear();
        builder.environment().put("PATH", System.getenv("PATH"));
        builder.environment().putAll(environment);
        return builder.start();
    }

    private Thread reader(InputStream stream, StringBuilder copy) {
        Thread thread = new Thread(() -> {
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    if (copy != null) {
                        synchronized (copy) {
                            copy.append(line).append('\n');
                        }
                    }
                    lines.add(line);
                }
            } catch (IOException e) {
                // awaitExit has killed the process, which closes the stream
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /**
     * Blocks until the program has printed a matching line, and returns the line. Lines printed before the call count.
     */
    String awaitLine(Predicate<String> wanted) {
        return lines.await(wanted, () -> !process.isAlive() && readers.stream().noneMatch(Thread::isAlive));
    }

    String allLines() {
        return lines.all();
    }

    /** Returns the standard output up to now. */
    String out() {
        synchronized (out) {
            return out.toString();
        }
    }

    boolean isAlive() {
        return process.isAlive();
    }

    long pid() {
        return process.pid();
    }

    /** Writes text to the standard input of the program and closes the input. */
    void input(String text) throws IOException {
        try (var stdin = process.getOutputStream()) {
            stdin.write(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    /**
     * Sends {@code SIGHUP}. Fails if the program ignores the signal, as every program started with {@code nohup} does.
     */
    void onReloadSignal() throws IOException, InterruptedException {
        String ignored = Files.readAllLines(Path.of("/proc", Long.toString(pid()), "status")).stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .findFirst()
                .orElseThrow();
        if ((Integer.parseInt(ignored.substring(ignored.length() - 1), 16) & 1) == 1) {
            throw new AssertionError("SIGHUP is ignored by " + name + ": run the tests without nohup");
        }
        signal("HUP");
    }

    /** Sends a signal, such as STOP, which pauses the program until CONT. */
    void signal(String signal) throws IOException, InterruptedException {
        if (new ProcessBuilder("kill", "-" + signal, Long.toString(pid()))
                        .start()
                        .waitFor()
                != 0) {
            throw new AssertionError("no SIG" + signal + " could be sent to " + name);
        }
    }

    /** Kills the program with {@code kill -9} and blocks until it exits. */
    void kill() {
        process.toHandle().destroyForcibly();
        awaitExit();
    }

    /** Sends {@code SIGTERM}, blocks until the program exits, and returns the exit code. */
    int terminate() {
        // uses the handle, because Process.destroy would close the streams before the last lines are read
        process.toHandle().destroy();
        return awaitExit();
    }

    int awaitExit() {
        return awaitExit(PATIENCE);
    }

    int awaitExit(Duration patience) {
        try {
            if (!process.waitFor(patience.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError(name + " did not end; it printed\n" + allLines());
            }
            for (Thread reader : readers) {
                reader.join();
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        if (process.isAlive()) {
            kill();
        }
    }
}
