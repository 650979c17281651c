// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The YAML that others read: alerts, and what is deployed. */
final class YamlLintIT {
    @Test
    void yamllint_findsNothing() throws Exception {
        HostProgram yamllint = HostProgram.orSkip("yamllint", "yamllint", Built.root());
        assertThat(yamllint.succeed("--strict", "--format", "parsable", "alerts", "deploy"))
                .isEmpty();
    }
}
