// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TypedPathsTest {
    @Test
    void problem_directoryOrArgumentThatTheLocaleCannotRepresent_isNamed() {
        assertThat(TypedPaths.problem("/home/W\uFFFDrme", "status"))
                .hasValue("the name of the current directory is not UTF-8, or this locale can't represent it; start"
                        + " with LC_ALL=C.UTF-8");
        assertThat(TypedPaths.problem("/home", "submit", "W\uFFFDrme.json"))
                .hasValue("an argument is not UTF-8, or this locale can't represent it; start with LC_ALL=C.UTF-8");
        assertThat(TypedPaths.problem("/home/Wärme", "submit", "Wärme.json")).isEmpty();
    }
}
