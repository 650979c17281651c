// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Golden.Decided;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests that the outcomes of the golden certificates over HTTP are identical to the byte. */
final class ContractOutcomesIT {
    private static final Map<String, String> KEY = Map.of("PCS_HMAC_KEY", Golden.OUTCOMES_KEY);

    @RegisterExtension
    static final RunningBackend single = RunningBackend.with(KEY);

    @RegisterExtension
    static final RunningBackend batch = RunningBackend.with(KEY);

    static List<Decided> outcomes() {
        return Golden.outcomes();
    }

    @ParameterizedTest
    @MethodSource("outcomes")
    void submit_golden_returnsStatusAndBody(Decided expected) throws Exception {
        Answer answer = single.client().submit(expected.bytes());
        assertThat(answer.body()).isEqualTo(expected.body());
        assertThat(answer.status()).isEqualTo(expected.status());
        assertThat(answer.header("Content-Type")).isEqualTo("application/json");
        assertThat(answer.marks()).isEmpty();
    }

    @Test
    void batch_golden_returnsStatusAndBodyOfEach() throws Exception {
        List<Decided> all = Golden.outcomes();
        Answer answer =
                batch.client().batch(all.stream().map(Decided::certificate).collect(Collectors.joining("\n")));
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body().lines())
                .containsExactlyElementsOf(all.stream()
                        .map(each -> "{\"status\":" + each.status() + ",\"body\":" + each.body() + "}")
                        .toList());
    }
}
