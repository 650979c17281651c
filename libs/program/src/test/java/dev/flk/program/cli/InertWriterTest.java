// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

final class InertWriterTest {
    @Test
    void unprintableCharacters_areEscaped_othersAreNot() {
        StringWriter written = new StringWriter();
        PrintWriter out = InertWriter.to(new PrintWriter(written));

        out.print("D̂ é😀\t\u001b[2J\u009b\u202e\r");
        out.println(new IllegalStateException("\u2066"));
        out.append('\u0007').printf("%s%n", "\udb40\udc01");

        assertThat(written).hasToString("""
                        D̂ é😀\t\\u001b[2J\\u009b\\u202e\\u000djava.lang.IllegalStateException: \\u2066
                        \\u0007\\udb40\\udc01
                        """);
    }

    @Test
    void pairOfSurrogates_inTwoWrites_staysOneCharacter() {
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        PrintWriter out = InertWriter.to(new PrintStream(written, true, StandardCharsets.UTF_8));

        out.write('\ud83d');
        out.write('\ude00');
        out.print("\ud83d");
        out.print("x");

        assertThat(written.toString(StandardCharsets.UTF_8)).isEqualTo("😀\\ud83dx");
    }

    @Test
    void failedWrite_isNoticed() throws Exception {
        try (PrintStream full = new PrintStream(new FileOutputStream("/dev/full"), true, StandardCharsets.UTF_8)) {
            PrintWriter out = InertWriter.to(full);
            out.println("x");

            assertThat(out.checkError()).isTrue();
        }
    }

    @Test
    void strategy_commandPrintsInert_helpKeepsItsColors() {
        StringWriter written = new StringWriter();
        PrintWriter raw = new PrintWriter(written);
        CommandLine program = new CommandLine(new Printing())
                .setOut(raw)
                .setColorScheme(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.ON))
                .setExecutionStrategy(InertWriter.strategy(InertWriter.to(raw)));

        assertThat(program.execute("--help")).isZero();
        assertThat(written.toString()).contains("\u001b[");
        written.getBuffer().setLength(0);
        assertThat(program.execute()).isZero();
        assertThat(written).hasToString("\\u001b[2J");
    }

    @Command(name = "printing", mixinStandardHelpOptions = true)
    private static final class Printing implements Runnable {
        @CommandLine.Spec
        private CommandLine.Model.CommandSpec spec;

        @Override
        public void run() {
            spec.commandLine().getOut().print("\u001b[2J");
        }
    }
}
