// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.audit.RefusalTally.Kind;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RefusalTallyTest {
    private static final Instant NOW = Instant.parse("2026-11-21T03:04:05.678Z");
    private static final JsonMapper JSON = new JsonMapper();

    private final RefusalTally tally = new RefusalTally();

    private static Kind from(String address) {
        return new Kind("signature_refused", address, "unknown_key", null);
    }

    private void add(Kind kind, int times) {
        for (int i = 0; i < times; i++) {
            String text = kind.address() + " " + i;
            tally.add(kind, NOW, () -> text);
        }
    }

    @Test
    void few_areToldOneByOne_andNoneIsCounted() {
        add(from("a"), 2);

        assertThat(tally.takeTold()).containsExactly("a 0", "a 1");
        assertThat(tally.takeTold()).isEmpty();
        assertThat(tally.endPeriod()).isEmpty();
    }

    @Test
    void many_areCountedBeyondTheFirstThree() throws Exception {
        add(from("a"), 1_000);
        add(new Kind("conflict", "a", "signed fields differ", "plant-7"), 4);

        assertThat(tally.takeTold()).hasSize(6);
        List<String> lines = tally.endPeriod();
        assertThat(lines)
                .containsExactlyInAnyOrder(
                        "{\"time\":\"2026-11-21T03:04:05.678Z\",\"event\":\"signature_refused\",\"address\":\"a\",\"reason\":\"unknown_key\",\"more\":997}\n",
                        "{\"time\":\"2026-11-21T03:04:05.678Z\",\"event\":\"conflict\",\"address\":\"a\",\"reason\":\"signed fields differ\",\"key\":\"plant-7\",\"more\":1}\n");
    }

    @Test
    void nextPeriod_beginsAnew() {
        add(from("a"), 5);
        tally.takeTold();
        tally.endPeriod();
        add(from("a"), 1);

        assertThat(tally.takeTold()).containsExactly("a 0");
        assertThat(tally.endPeriod()).isEmpty();
    }

    /** No key is needed to be refused as unknown from any number of addresses; that must not hide where a stolen one is used. */
    @Test
    void manyAddressesWithoutAKey_hideNoneThatHasOne() {
        IntStream.range(0, 100_000).forEach(i -> add(from("10." + i), 1));
        tally.takeTold();

        add(new Kind("signature_refused", "192.0.2.7", "revoked", "plant-7"), 5);

        assertThat(tally.takeTold()).containsExactly("192.0.2.7 0", "192.0.2.7 1", "192.0.2.7 2");
        assertThat(tally.endPeriod())
                .anyMatch(
                        line -> line.contains("192.0.2.7") && line.contains("plant-7") && line.contains("\"more\":2"));
    }

    @Test
    void moreAddressesThanAreKept_areCountedTogether_andNoneIsLost() throws Exception {
        int addresses = 100_000;
        IntStream.range(0, addresses).forEach(i -> add(from("10." + i), 2));

        List<String> told = tally.takeTold();
        List<String> lines = tally.endPeriod();

        assertThat(told).hasSizeLessThanOrEqualTo(3 * 65);
        assertThat(lines).hasSizeLessThanOrEqualTo(65);
        long counted = 0;
        for (String line : lines) {
            JsonNode read = JSON.readTree(line);
            assertThat(read.get("address").textValue()).isEqualTo("(others)");
            counted += read.get("more").longValue();
        }
        assertThat(told.size() + counted).isEqualTo(2L * addresses);
    }
}
