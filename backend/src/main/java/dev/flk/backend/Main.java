// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.cli.CommandLineProgram;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;

/** Entry point of {@code flk-backend}. */
public final class Main {
    private Main() {}

    /** Runs the command line. */
    public static void main(String[] args) {
        var program = new CommandLineProgram(
                System.getenv(), config -> {}, utf8(FileDescriptor.out), utf8(FileDescriptor.err));
        System.exit(program.run(args));
    }

    /** Whatever the locale; the JDK's own streams follow it. */
    private static PrintWriter utf8(FileDescriptor stream) {
        return new PrintWriter(new FileOutputStream(stream), true, StandardCharsets.UTF_8);
    }
}
