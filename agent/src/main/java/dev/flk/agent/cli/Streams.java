// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.source.Intake;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import picocli.CommandLine.Parameters;

/** Files and standard input, named the way people name them: {@code -} is standard input. */
final class Streams {
    private Streams() {}

    static PrintWriter writer(PrintStream stream) {
        return new PrintWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8), true);
    }

    /** Opens a file to be read, or standard input; the message of a failure names the file. */
    static InputStream open(String name, Context context) throws IOException {
        if (name.equals("-")) {
            return context.in();
        }
        Path path = Path.of(name);
        if (Files.isDirectory(path)) {
            throw new IOException(name + " is a directory; name a file");
        }
        try {
            // a pipe can't be positioned, which the stream of java.nio tries
            return Files.exists(path) && !Files.isRegularFile(path)
                    ? new FileInputStream(name)
                    : new BufferedInputStream(Files.newInputStream(path));
        } catch (NoSuchFileException e) {
            throw new IOException("there is no file " + name, e);
        } catch (IOException e) {
            throw new IOException("cannot read " + name + ": " + e.getMessage(), e);
        }
    }

    /** The argument of the commands that look at one certificate. */
    static final class CertificateFile {
        @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - is standard input.")
        private String name = "";

        byte[] read(Context context) throws IOException {
            try (InputStream in = Streams.open(name, context)) {
                byte[] bytes = in.readNBytes(Intake.MAX_CERTIFICATE_BYTES + 1);
                if (bytes.length > Intake.MAX_CERTIFICATE_BYTES) {
                    throw new IOException(name + " is longer than " + Intake.MAX_CERTIFICATE_BYTES + " bytes");
                }
                return bytes;
            }
        }
    }
}
