// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StateDumpTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"+10000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "+1000000000-01-01T00:00:00Z", "today"})
    void timesOutsideTheYears1To9999_areRefusedWithTheLine(String time) throws IOException {
        String header = "{\"dump\":1,\"history_id\":\"h\",\"floor\":0,\"floor_at\":\"%s\"}\n";
        String event = "{\"revision\":1,\"committed_at\":\"%s\",\"operations_total\":1,\"changes\":["
                + "{\"namespace\":\"default\",\"agent_id\":\"a\",\"key\":\"k\",\"version\":1,\"value\":1}]}\n";
        Path badHeader = Files.writeString(
                directory.resolve("header"),
                header.formatted(time) + event.formatted("2026-01-31T00:00:00Z") + "{\"events\":1}\n");
        Path badEvent = Files.writeString(
                directory.resolve("event"),
                header.formatted("1970-01-01T00:00:00Z") + event.formatted(time) + "{\"events\":1}\n");

        assertThatThrownBy(() -> StateDump.open(badHeader))
                .isInstanceOf(IOException.class)
                .hasMessage(badHeader + ": line 1: floor_at is not a time in the years 1 to 9999");
        assertThatThrownBy(() -> StateDump.open(badEvent))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(badEvent + ": line 2 is not an event: ");
    }
}
