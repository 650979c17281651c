// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.config.Key;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ConfigurationPageTest {
    @Test
    void page_hasTheTableOfTheKeys() {
        assertThat(Path.of("../docs/configuration.md")).content().contains(Key.table(BackendConfig.KEYS));
    }
}
