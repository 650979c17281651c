// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class BackendClientTest {
    @Test
    void submit_bodyThatNeverEnds_isGivenUp() throws Exception {
        try (TricklingServer slow = new TricklingServer()) {
            BackendClient client = new BackendClient(slow.endpoint(), Duration.ofMillis(300), Optional.empty());
            var ended = new CompletableFuture<Throwable>();

            client.submit(Certificates.certificate(1), (reply, failure) -> ended.complete(failure));

            assertThat(AnswerReader.describe(ended.get(20, TimeUnit.SECONDS)))
                    .isEqualTo("no answer within REQUEST_TIMEOUT");
        }
    }
}
