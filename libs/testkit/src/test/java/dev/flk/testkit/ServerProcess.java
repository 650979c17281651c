// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A real store server on a free loopback port. Tests can kill and pause the server, and reset it to older data.
 * Confined to one thread; every wait has a time limit.
 */
public abstract class ServerProcess implements AutoCloseable {
    /** The maximum time that a test waits for a server; much longer than a busy machine needs. */
    public static final Duration PATIENCE = Duration.ofSeconds(60);

    final Path directory;
    private final int port = FreePort.choose();
    private volatile @Nullable Process process;
    private int copies;

    ServerProcess(Path directory) {
        this.directory = directory;
    }

    /** Returns the port of 127.0.0.1 on which the server listens; it stays the same after a restart. */
    public final int port() {
        return port;
    }

    /** Returns whether the process was started and has not ended. */
    public final boolean isRunning() {
        Process last = process;
        return last != null && last.isAlive();
    }

    /** Returns the settings of a backend that keeps its outcomes in this server. */
    public abstract Map<String, String> configuration();

    /** Restarts the server on its existing data and returns when it is ready. The server must have ended. */
    public abstract void restart();

    /** Restarts the server without data. The server must have ended. */
    public abstract void restartEmpty();

    /** Copies the current data. The returned action starts the server, which must have ended by then, on the copy. */
    public abstract Runnable copy();

    @Override
    public abstract void close();

    /**
     * Kills all processes of the server with SIGKILL and waits until they have ended. Does nothing if the server has
     * already ended.
     */
    public final void kill() {
        List<ProcessHandle> all = processes();
        all.forEach(ProcessHandle::destroyForcibly);
        all.forEach(ServerProcess::awaitEnd);
    }

    /** Pauses the server with SIGSTOP: its connections stay open, but it does not answer. */
    public final void pause() {
        ProcessHandle parent = running().toHandle();
        signal("STOP", parent); // pause the parent first, so that it starts no more processes
        parent.descendants().forEach(handle -> signal("STOP", handle));
    }

    /** Resumes the server with SIGCONT. */
    public final void resume() {
        processes().forEach(handle -> signal("CONT", handle));
    }

    final void launch(Started what, List<String> command) {
        Starts.count(what);
        process = start(command);
    }

    final Process running() {
        Process running = process;
        if (running == null) {
            throw new IllegalStateException(this + " was never started");
        }
        return running;
    }

    /** Blocks until the launched server is ready; fails if the server ends first. */
    final void awaitReady(Callable<Boolean> isReady) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(() -> {
            if (!running().isAlive()) {
                throw new IllegalStateException("the server ended: " + Files.readString(output()));
            }
            return isReady.call();
        });
    }

    /** Runs a program until it exits; fails if the program fails or takes too long. */
    final void run(List<String> command) {
        try {
            Process running = start(command);
            if (!running.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS) || running.exitValue() != 0) {
                running.destroyForcibly();
                throw new IllegalStateException(command + " failed: " + Files.readString(output()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private Process start(List<String> command) {
        try {
            return new ProcessBuilder(command)
                    .directory(directory.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(output().toFile()))
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    final void signal(String name, ProcessHandle handle) {
        try {
            run(List.of("kill", "-" + name, Long.toString(handle.pid())));
        } catch (IllegalStateException e) {
            if (handle.isAlive()) { // otherwise the process ended in the meantime
                throw e;
            }
        }
    }

    private List<ProcessHandle> processes() {
        Process running = running();
        return Stream.concat(Stream.of(running.toHandle()), running.descendants())
                .filter(ProcessHandle::isAlive)
                .toList();
    }

    static void awaitEnd(ProcessHandle handle) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(10)).until(() -> !handle.isAlive());
    }

    final Path data() {
        return directory.resolve("data");
    }

    private Path output() {
        return directory.resolve("output");
    }

    final Path copyData() {
        Path copy = directory.resolve("copy-" + copies++);
        DirectoryTree.copy(data(), copy);
        return copy;
    }

    final void replaceData(Path copy) {
        DirectoryTree.remove(data());
        DirectoryTree.copy(copy, data());
    }
}
