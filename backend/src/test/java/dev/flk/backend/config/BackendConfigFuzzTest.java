// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.program.config.FuzzedSettings;
import dev.flk.sample.FuzzInputs;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.params.provider.ArgumentsSource;

class BackendConfigFuzzTest {
    private final FuzzedSettings settings = new FuzzedSettings(BackendConfig.KEYS, BackendConfig::load);

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyFile_isValidOrItsProblemsAreNamed(byte[] text) throws IOException {
        settings.check(text).ifPresent(file -> {
            assertThat(BackendConfig.describe(Map.of(), file)).doesNotContain(FuzzedSettings.SECRET);
            // the user and the database in a Postgres URI are not secret
            if (!FuzzedSettings.entries(text).getOrDefault("POSTGRES_CONN", "").contains(FuzzedSettings.SECRET)) {
                assertThat(BackendConfig.load(Map.of(), file).toString()).doesNotContain(FuzzedSettings.SECRET);
            }
        });
    }
}
