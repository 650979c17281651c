// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.http.Answer.Header;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SubmissionHeadersTest {
    private static final SignatureCheck CHECK = SignatureCheck.hmac(List.of("secret"));

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private static Signatures keys(long sinceMillis) {
        return Signatures.anyOf(sinceMillis, CHECK);
    }

    private static SubmissionHeaders headers(long salt, Signatures keys) {
        SubmissionHeaders headers = new SubmissionHeaders(ServerFixture.INSTANCE, salt);
        headers.name(keys);
        return headers;
    }

    private Reply post(String path, String body) throws IOException {
        server.ingest.answer(text -> switch (text) {
            case "202" -> ScriptedIngest.decided(202, "{}", Relation.FIRST);
            case "400" -> Refused.malformed("bad");
            case "401" -> Refused.BAD_SIGNATURE;
            case "503" -> new Refused(Refusal.KEYS_OUTDATED, 2);
            default -> ScriptedIngest.decided(200, "{}", Relation.DUPLICATE);
        });
        return server.connect().post(path, body).read();
    }

    @ParameterizedTest
    @ValueSource(strings = {"200", "202", "400", "401", "503"})
    void answer_toASubmission_namesInstanceAndKeysOnce(String status) throws IOException {
        server.submissionHeaders.name(keys(1));

        for (Reply reply : List.of(post("/v1/pcs/submit", status), post("/v1/pcs/batch", status + "\n" + status))) {
            assertThat(reply.header("x-flk-instance")).contains(ServerFixture.INSTANCE);
            assertThat(reply.header("x-flk-keys").orElseThrow()).matches("[0-9a-f]{16}");
        }
    }

    @Test
    void answer_beforeTheKeysAreRead_namesOnlyTheInstance() throws IOException {
        Reply reply = post("/v1/pcs/submit", "503");

        assertThat(reply.header("x-flk-instance")).contains(ServerFixture.INSTANCE);
        assertThat(reply.header("x-flk-keys")).isEmpty();
    }

    @Test
    void answer_thatIsEarlyOrOfAnotherPath() throws IOException {
        server.submissionHeaders.name(keys(1));

        assertThat(post("/v1/pcs/submit", "x".repeat(ServerFixture.MAX_BODY_BYTES + 1))
                        .header("x-flk-instance"))
                .contains(ServerFixture.INSTANCE);
        assertThat(server.get("/health").header("x-flk-instance")).isEmpty();
    }

    @Test
    void get_sameKeys_returnsTheSameObjects() {
        SubmissionHeaders headers = headers(1, keys(1));

        assertThat(headers.get()).isSameAs(headers.get());
    }

    /** Keys that come back are another state: refusals by the keys in between must not count for them. */
    @Test
    void get_sameKeysSinceAnotherTime_isAnotherState() {
        SubmissionHeaders headers = headers(1, keys(1));
        List<Header> before = headers.get();

        headers.name(keys(2));

        assertThat(headers.get().get(0)).isEqualTo(before.get(0));
        assertThat(headers.get().get(1)).isNotEqualTo(before.get(1));
    }

    @Test
    void get_anotherSalt_isAnotherState_soThatNobodyCanTestGuessesOfASecret() {
        assertThat(headers(1, keys(1)).get()).isNotEqualTo(headers(2, keys(1)).get());
        assertThat(headers(1, keys(1)).get().toString()).doesNotContain(keys(1).version());
    }
}
