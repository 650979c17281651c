// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the settings of the HTTP server. */
final class HttpConfigTest {
    @ParameterizedTest
    @CsvSource({
        "1000000, 20000",
        "21024, 20000",
        "20000, 18976",
        "4096, 3072",
        "1024, 512",
        "256, 128",
        "150, 22",
        "64, 1"
    })
    void fitting_fewOpenFiles_leavesAReserve(long files, int connections) {
        List<Key<?>> keys = Stream.concat(HttpConfig.KEYS.stream(), OperatorConfig.KEYS.stream())
                .<Key<?>>map(key -> key)
                .toList();
        HttpConfig config = HttpConfig.read(new Settings(keys, Map.of(), null));

        assertThat(config.fitting(files).maxConnections()).isEqualTo(connections);
    }
}
