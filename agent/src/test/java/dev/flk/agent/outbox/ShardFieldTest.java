// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.Certificates;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShardFieldTest {
    private static final byte[] CERTIFICATE = Certificates.certificate(1, "rack 7 \u00fc");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"shard_id\":\"a\"} | a",
                " { \"x\" : {\"shard_id\":\"inner\"}, \"v\":[1,{\"shard_id\":\"b\"}], \"shard_id\" : \"a\\u0041\\n\\\"\" } | `aA\n\"`",
                "{\"shard\\u005fid\":\"a\"} | a",
                "{\"shard_id\":\"a\"} and what stands behind it | a",
                "{\"n\":NUMBER,\"shard_id\":\"a\"} | a",
            })
    void nameIn_certificate_isItsShard(String json, String shard) {
        assertThat(of(json.replace("NUMBER", "1".repeat(2_000)))).isEqualTo(shard);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "certificate 1",
                "{",
                "{}",
                "[\"shard_id\",\"a\"]",
                "\"shard_id\"",
                "{\"shard_id\"}",
                "{\"shard_id\":}",
                "{\"shard_id\":7}",
                "{\"shard_id\":null}",
                "{\"shard_id\":{\"shard_id\":\"a\"}}",
                "{\"shard_id\":\"\"}",
                "{\"shard_id\":\"a",
                "{\"x\":{\"shard_id\":\"a\"}}",
                "{\"x\":NaN,\"shard_id\":\"a\"}",
            })
    void nameIn_invalidShard_isOthers(String text) {
        assertThat(of(text)).isEqualTo("(others)");
    }

    @Test
    void nameIn_nameTooLong_isOthers() {
        String longest = "\ud83e\udd80".repeat(256);

        assertThat(of("{\"shard_id\":\"" + longest + "\"}")).isEqualTo(longest);
        assertThat(of("{\"shard_id\":\"" + longest + "a\"}")).isEqualTo("(others)");
        assertThat(of("{\"shard_id\":\"" + "a".repeat(1 << 20) + "\"}")).isEqualTo("(others)");
    }

    @Test
    void nameIn_bodyAfterAHeader_readsFromItsBeginning() {
        byte[] bytes = "7 1795161600000\n{\"shard_id\":\"a\"}".getBytes(StandardCharsets.UTF_8);

        assertThat(Shards.nameIn(bytes, 16)).isEqualTo("a");
        assertThat(Shards.nameIn(bytes, bytes.length)).isEqualTo("(others)");
    }

    @Test
    void nameIn_certificateCutAnywhere_isItsShardOrOthers() {
        int lengthOfName = "rack 7 \u00fc\"".getBytes(StandardCharsets.UTF_8).length;
        int end = new String(CERTIFICATE, StandardCharsets.ISO_8859_1).indexOf("rack 7") + lengthOfName;
        for (int length = 0; length <= CERTIFICATE.length; length++) {
            assertThat(Shards.nameIn(Arrays.copyOf(CERTIFICATE, length), 0))
                    .as("%s bytes", length)
                    .isEqualTo(length < end ? "(others)" : "rack 7 \u00fc");
        }
    }

    private static String of(String text) {
        return Shards.nameIn(text.getBytes(StandardCharsets.UTF_8), 0);
    }
}
