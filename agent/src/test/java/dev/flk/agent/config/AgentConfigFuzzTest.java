// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.config.FuzzedSettings;
import dev.flk.sample.FuzzInputs;
import java.io.IOException;
import java.util.EnumSet;
import org.junit.jupiter.params.provider.ArgumentsSource;

class AgentConfigFuzzTest {
    private final FuzzedSettings settings = new FuzzedSettings(AgentConfig.KEYS, (environment, file) -> {
        AgentConfig config = AgentConfig.load(environment, file, EnumSet.allOf(Need.class));
        assertThat(config.toString()).doesNotContain(FuzzedSettings.SECRET + "-key");
        assertThat(config.neededRestart(config)).isEmpty();
        return config;
    });

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyFile_isValidOrItsProblemsAreNamed(byte[] text) throws IOException {
        settings.check(text);
    }
}
