// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StandardOutputTest {
    private final List<String> complaints = new ArrayList<>();

    private StandardOutput print(OutputStream to) {
        StandardOutput output = new StandardOutput(to);
        PrintStream out = new PrintStream(output, true, StandardCharsets.UTF_8);
        out.println("one");
        out.print('2');
        out.flush();
        return output;
    }

    @Test
    void exitCode_outputWritten_isThatOfTheCommand() {
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        StandardOutput output = print(written);

        assertThat(output.exitCode(0, complaints::add)).isZero();
        assertThat(output.exitCode(3, complaints::add)).isEqualTo(3);
        assertThat(complaints).isEmpty();
        assertThat(written.toString(StandardCharsets.UTF_8)).isEqualTo("one" + System.lineSeparator() + "2");
    }

    @Test
    void exitCode_diskFull_isOneWithAMessage() throws Exception {
        try (FileOutputStream full = new FileOutputStream("/dev/full")) {
            StandardOutput output = print(full);

            assertThat(output.exitCode(2, complaints::add)).isEqualTo(2);
            assertThat(complaints).isEmpty();
            assertThat(output.exitCode(0, complaints::add)).isOne();
            assertThat(complaints)
                    .containsExactly("standard output could not be written: No space left on device; what was printed"
                            + " is incomplete");
        }
    }

    @Test
    void exitCode_readerHasEnded_isThatOfTheCommand() {
        StandardOutput output = print(new OutputStream() {
            @Override
            public void write(int oneByte) throws IOException {
                throw new IOException("Broken pipe");
            }
        });

        assertThat(output.exitCode(0, complaints::add)).isZero();
    }
}
