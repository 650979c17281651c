// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.cli.CommandLineProgram;
import dev.flk.backend.cli.CommandLineProgram.BuildVersion;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.program.cli.Terminal;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** Entry point of {@code flk-backend}. */
public final class Main {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private Main() {}

    /** Runs the command line. */
    public static void main(String[] args) {
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        var program = new CommandLineProgram(
                System.getenv(), Main::serve, utf8(FileDescriptor.out), utf8(FileDescriptor.err));
        if (Terminal.isStandardError(System.getenv().getOrDefault("TERM", "dumb"))) {
            program.watched();
        }
        System.exit(program.run(args));
    }

    /**
     * Serves until a signal ends the process; then finishes what is under way, and the JVM exits with 128 + the signal.
     *
     * @throws IOException if it can't start, or another process may have taken its log
     */
    private static void serve(BackendConfig config, Supplier<BackendConfig> again)
            throws IOException, InterruptedException {
        Backend backend;
        try {
            backend = Backend.start(config, BuildVersion.text(), again);
        } catch (StoreUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
        StopWatchdog watchdog = new StopWatchdog();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(backend, watchdog), "stop"));
        backend.serve();
        throw backend.awaitLoss();
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

    /**
     * Ends the process if stopping takes for ever, whatever stands in the way: a thread that does not come back, or classes that can't be
     * loaded any more because the jar was overwritten. What was answered is on disk by then. All that it needs is loaded when it is
     * made. A process that waits for a disk in the kernel nobody can end.
     */
    private static final class StopWatchdog extends Thread {
        /** What is under way has 10 s; the store and the log have the rest to be closed. */
        private static final long LONGEST_STOP_SECONDS = 15;

        private static final int ENDED_BY_SIGTERM = 143;

        private final CountDownLatch stopped = new CountDownLatch(1);

        StopWatchdog() {
            super("stop-watchdog");
            setDaemon(true);
        }

        /** Everything was closed. */
        void stopped() {
            stopped.countDown();
        }

        @Override
        public void run() {
            try {
                if (stopped.await(LONGEST_STOP_SECONDS, TimeUnit.SECONDS)) {
                    return;
                }
            } catch (InterruptedException e) {
                return; // never interrupted
            }
            System.err.println("flk-backend: stopping does not end; ending without it. What was answered is on disk");
            Runtime.getRuntime().halt(ENDED_BY_SIGTERM);
        }
    }
}
