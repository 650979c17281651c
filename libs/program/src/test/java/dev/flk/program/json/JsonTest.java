// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;

class JsonTest {
    @Test
    void pretty_numbersAndRepeatedMembers_areKeptAsWritten() throws Exception {
        assertThat(
                        Json.pretty(
                                "{\"a\":12345678901234567890.12,\"a\":0.30000000000000001,\"b\":[1.10,1e400,-0],\"c\":{\"ä\":\"\\n\"}}"))
                .isEqualTo(String.join(
                        System.lineSeparator(),
                        "{",
                        "  \"a\" : 12345678901234567890.12,",
                        "  \"a\" : 0.30000000000000001,",
                        "  \"b\" : [ 1.10, 1e400, -0 ],",
                        "  \"c\" : {",
                        "    \"ä\" : \"\\n\"",
                        "  }",
                        "}"));
    }

    @Test
    void pretty_notJson_isAnError() {
        assertThatExceptionOfType(JsonProcessingException.class).isThrownBy(() -> Json.pretty("{\"a\":"));
    }
}
