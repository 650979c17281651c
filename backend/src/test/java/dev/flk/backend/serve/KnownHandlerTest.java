// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.sample.Pcs;
import java.util.Collections;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the form of questions about settled certificates, and of their answers. */
final class KnownHandlerTest {
    private static final String ID = Pcs.number(1).id().toString();

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private Reply ask(String body) throws Exception {
        return server.connect().post("/v1/pcs/known", body).read();
    }

    @Test
    void question_isAnsweredInItsOrder() throws Exception {
        server.ingest.store(id -> id.toString().equals(ID)
                ? Optional.of(ScriptedIngest.decided(200, "{}", Relation.FIRST))
                : Optional.empty());

        Reply answer = ask("{\"ids\":[\"" + "0".repeat(64) + "\",\"" + ID + "\"]}");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body())
                .isEqualTo("{\"known\":[\"unknown\",\"outcome\"],\"now\":\"1970-01-01T00:00:00Z\","
                        + "\"dedup_ttl_seconds\":1209600}");
    }

    @Test
    void question_mayHave1000Ids() throws Exception {
        String thousand = String.join(",", Collections.nCopies(1_000, '"' + ID + '"'));
        assertThat(ask("{\"ids\":[" + thousand + "]}").status()).isEqualTo(200);
        assertThat(ask("{\"ids\":[" + thousand + ",\"" + ID + "\"]}").status()).isEqualTo(400);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "{}",
                "[]",
                "{\"ids\":null}",
                "{\"ids\":[null]}",
                "{\"ids\":[\"0f\"]}",
                "{\"ids\":[]} x"
            })
    void otherBody_isRefused(String body) throws Exception {
        Reply answer = ask(body);

        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.body())
                .isEqualTo("{\"error\":\"the body is not {\\\"ids\\\":[...]} with at most 1000 ids of 64 lower-case hex"
                        + " digits\"}");
    }
}
