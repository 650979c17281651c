// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TerminalTest {
    @ParameterizedTest
    @ValueSource(strings = {"/dev/pts/0", "/dev/pts/12", "/dev/tty", "/dev/tty1", "/dev/ttyS0", "/dev/console"})
    void device_terminal_isDetected(String device) {
        assertThat(Terminal.isTerminal(device)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"/dev/null", "pipe:[1234]", "/var/log/err.log", "socket:[7]", "/tmp/dev/pts/0", "/dev/pts/x"})
    void device_notATerminal_isNotDetected(String device) {
        assertThat(Terminal.isTerminal(device)).isFalse();
    }
}
