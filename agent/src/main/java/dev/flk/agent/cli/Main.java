// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.program.cli.StandardOutput;
import dev.flk.program.cli.Terminal;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.slf4j.event.Level;

/** The entry point of {@code flk-agent}. */
public final class Main {
    private Main() {}

    /** Runs the command line, and exits with its exit code. The output is in UTF-8, regardless of the locale. */
    public static void main(String[] args) {
        StandardOutput written = new StandardOutput();
        PrintStream out = utf8(written);
        PrintStream err = utf8(new FileOutputStream(FileDescriptor.err));
        System.setOut(out);
        System.setErr(err);
        LogOutput.configure(new LogConfig(Level.WARN, LogConfig.Format.TEXT), FlkAgent.LOG_STYLE);
        FlkAgent agent = new FlkAgent(System.getenv(), System.in, out, err);
        if (Terminal.isStandardError(System.getenv().getOrDefault("TERM", "dumb"))) {
            agent.watched();
        }
        int exitCode = agent.run(args);
        out.flush();
        System.exit(written.exitCode(exitCode, problem -> err.println("flk-agent: " + problem)));
    }

    private static PrintStream utf8(OutputStream stream) {
        return new PrintStream(stream, true, StandardCharsets.UTF_8);
    }
}
