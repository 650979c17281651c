// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.cli.BuildVersion;
import dev.flk.backend.cli.CommandLineProgram;
import dev.flk.backend.cli.Terminal;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.dedup.StoreUnavailableException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Entry point of {@code flk-backend}. */
public final class Main {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private Main() {}

    /** Runs the command line. */
    public static void main(String[] args) {
        var program = new CommandLineProgram(
                System.getenv(), Main::serve, utf8(FileDescriptor.out), utf8(FileDescriptor.err));
        if (Terminal.isStandardError(System.getenv().getOrDefault("TERM", "dumb"))) {
            program.watched();
        }
        System.exit(program.run(args));
    }

    /** Serves until a signal ends the process; then finishes what is under way, and the JVM exits with 128 + the signal. */
    private static void serve(BackendConfig config) throws IOException, InterruptedException {
        Backend backend;
        try {
            backend = Backend.start(config, BuildVersion.text());
        } catch (StoreUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
        StopWatchdog watchdog = new StopWatchdog();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(backend, watchdog), "stop"));
        backend.serve();
        new CountDownLatch(1).await();
    }

    private static void stop(Backend backend, StopWatchdog watchdog) {
        watchdog.start();
        LOG.info("stopping: taking nothing more, finishing what is under way");
        backend.close();
        watchdog.stopped();
        LOG.info("stopped");
    }

    /** Whatever the locale; the JDK's own streams follow it. */
    private static PrintWriter utf8(FileDescriptor stream) {
        return new PrintWriter(new FileOutputStream(stream), true, StandardCharsets.UTF_8);
    }
}
