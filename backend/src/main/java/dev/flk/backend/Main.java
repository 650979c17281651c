// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.ArchiveCare;
import dev.flk.backend.inbox.InboxConfig;
import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.operate.cli.CommandLineProgram.BuildVersion;
import dev.flk.backend.run.Backend;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.cli.StandardOutput;
import dev.flk.program.cli.Terminal;
import dev.flk.program.health.ServiceReadiness;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** The entry point of {@code flk-backend}. */
public final class Main {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private Main() {}

    public static void main(String[] args) {
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        StandardOutput written = new StandardOutput();
        PrintWriter out = utf8(written);
        PrintWriter err = utf8(new FileOutputStream(FileDescriptor.err));
        var program = new CommandLineProgram(System.getenv(), Main::serve, out, err);
        if (Terminal.isStandardError(System.getenv().getOrDefault("TERM", "dumb"))) {
            program.watched();
        }
        int exitCode = program.run(args);
        out.flush();
        System.exit(written.exitCode(exitCode, problem -> err.println("flk-backend: " + problem)));
    }

    /**
     * Serves until a signal ends the process or the backend no longer owns its log. After a signal, a shutdown hook
     * finishes the submissions in flight, and the JVM exits with 128 + the number of the signal.
     *
     * @throws IOException if the backend can't start, or no longer owns its log
     */
    private static void serve(BackendConfig config, Supplier<BackendConfig> again)
            throws IOException, InterruptedException {
        Backend backend;
        try {
            backend = Backend.start(config, BuildVersion.text(), again);
        } catch (StoreUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
        StopWatchdog watchdog = new StopWatchdog(config.inbox());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(backend, watchdog), "stop"));
        backend.serve();
        ServiceReadiness.report();
        throw backend.awaitLoss();
    }

    private static void stop(Backend backend, StopWatchdog watchdog) {
        watchdog.start();
        LOG.info("stopping: new submissions are refused, and those in flight are finished");
        backend.close();
        watchdog.stopped();
        LOG.info("stopped");
    }

    /** Returns a writer that encodes in UTF-8; the JDK's own streams use the encoding of the locale. */
    private static PrintWriter utf8(OutputStream stream) {
        return new PrintWriter(stream, true, StandardCharsets.UTF_8);
    }

    /**
     * A thread that ends the process if the backend does not stop in time, for example because a thread hangs or
     * because the jar was overwritten and classes can't be loaded. All answered submissions are on disk by then. The
     * classes that the watchdog itself needs are loaded when it is created. The watchdog can't end a process that waits
     * in the kernel for a disk.
     */
    private static final class StopWatchdog extends Thread {
        /**
         * The time limit for stopping without an archive: 5 s for the requests of each server, and the rest to close
         * store and log.
         */
        private static final long LONGEST_STOP_SECONDS = 15;

        private static final int ENDED_BY_SIGTERM = 143;

        private final CountDownLatch stopped = new CountDownLatch(1);

        private final long longestSeconds;

        StopWatchdog(InboxConfig inbox) {
            super("stop-watchdog");
            setDaemon(true);
            long archive = inbox.archiveCommand().isEmpty()
                    ? 0
                    : ArchiveCare.Limits.USUAL.finish().toSeconds() + 2; // 2 s to kill the command
            longestSeconds = LONGEST_STOP_SECONDS + archive;
        }

        /** Reports that everything is closed; the watchdog then does nothing. */
        void stopped() {
            stopped.countDown();
        }

        @Override
        public void run() {
            try {
                if (stopped.await(longestSeconds, TimeUnit.SECONDS)) {
                    return;
                }
            } catch (InterruptedException e) {
                return; // never interrupted
            }
            System.err.println("flk-backend: stopping takes longer than " + longestSeconds
                    + " s; the process ends now. Answered submissions are on disk");
            Runtime.getRuntime().halt(ENDED_BY_SIGTERM);
        }
    }
}
