// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server;

import dev.flk.program.cli.StandardOutput;
import dev.flk.program.health.ServiceReadiness;
import dev.flk.state.server.cli.StateProgram;
import dev.flk.state.server.cli.StateProgram.BuildVersion;
import dev.flk.state.server.config.ServerConfig;
import dev.flk.state.server.run.StateServer;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** The entry point of {@code flk-state}. */
public final class Main {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.state");

    private Main() {}

    public static void main(String[] args) {
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        StandardOutput written = new StandardOutput();
        PrintWriter out = utf8(written);
        PrintWriter err = utf8(new FileOutputStream(FileDescriptor.err));
        int exitCode = new StateProgram(System.getenv(), Main::serve, out, err).run(args);
        out.flush();
        System.exit(written.exitCode(exitCode, problem -> err.println("flk-state: " + problem)));
    }

    /** Serves until a signal ends the process; the JVM then exits with 128 + the number of the signal. */
    private static void serve(ServerConfig config, Runnable again) throws IOException, InterruptedException {
        StateServer server = StateServer.start(config, BuildVersion.text(), again);
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            LOG.info("stopping: calls in flight are finished");
                            server.close();
                            LOG.info("stopped");
                        },
                        "stop"));
        ServiceReadiness.report();
        new CountDownLatch(1).await();
    }

    /** Returns a writer that encodes in UTF-8; the JDK's own streams use the encoding of the locale. */
    private static PrintWriter utf8(OutputStream stream) {
        return new PrintWriter(stream, true, StandardCharsets.UTF_8);
    }
}
