// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.config.InvalidConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests that the bounds on memory fit into the heap together, and that settings that do not fit are refused. */
class HeapBoundsTest {
    private static HeapBounds bounds(Map<String, String> settings, long mebibytes) {
        Map<String, String> all = new HashMap<>(settings);
        all.put("PCS_SIGN_ALG", "none");
        return HeapBounds.of(BackendConfig.load(all, null), mebibytes << 20);
    }

    @ParameterizedTest
    @ValueSource(longs = {256, 512, 1_024, 65_536})
    void defaults_fitIntoTheHeap(long mebibytes) {
        for (Map<String, String> settings : List.of(
                Map.<String, String>of(),
                Map.of("OPS_PORT", "9090"),
                Map.of("LOG_COPY", "kafka", "LOG_NAME", "a", "KAFKA_BROKERS", "h:9092", "FEED_TOPIC", "t"))) {
            HeapBounds bounds = bounds(settings, mebibytes);

            assertThat(bounds.problems()).isEmpty();
            assertThat(bounds.sumBytes()).isBetween(1L, mebibytes << 20);
        }
    }

    @ParameterizedTest
    @CsvSource({"MAX_BODY_BYTES, 16MiB", "MAX_BATCH, 20000", "MAX_BATCH_BYTES, 64MiB", "MEMORY_MAX_ENTRIES, 1000000"})
    void settingThatDoesNotFit_isRefusedByName_andAcceptedWithMoreHeap(String setting, String value) {
        Map<String, String> settings = new HashMap<>(Map.of(setting, value));
        settings.putAll(Map.of("DEDUP_BACKEND", "memory"));
        settings.putIfAbsent("MEMORY_MAX_ENTRIES", "1000");
        settings.put(setting, value);

        assertThatThrownBy(() -> bounds(settings, 256).check())
                .isInstanceOf(InvalidConfig.class)
                .hasMessageContaining(setting + ": ")
                .hasMessageContaining("raise -Xmx");

        assertThat(bounds(settings, 4_096).problems()).isEmpty();
    }

    @Test
    void largestThatFits_isNamed() {
        assertThat(bounds(Map.of("MAX_BODY_BYTES", "16MiB"), 256).problems())
                .containsExactly("MAX_BODY_BYTES: 16777216 is too large for the heap of 256 MiB; set it to at most"
                        + " 2621440, or raise -Xmx to 1664m");
        assertThat(bounds(Map.of("MAX_BODY_BYTES", "2621440"), 256).problems()).isEmpty();
        assertThat(bounds(Map.of("MAX_BODY_BYTES", "16MiB"), 1_664).problems()).isEmpty();
    }
}
