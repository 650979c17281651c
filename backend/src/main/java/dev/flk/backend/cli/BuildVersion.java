// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.util.Optional;
import picocli.CommandLine.IVersionProvider;

/** The version of this build, from the jar's manifest. */
public final class BuildVersion implements IVersionProvider {
    /** For example {@code 0.1.0}; {@code unpackaged} when it runs from class files. */
    public static String text() {
        return Optional.ofNullable(BuildVersion.class.getPackage().getImplementationVersion())
                .orElse("unpackaged");
    }

    @Override
    public String[] getVersion() {
        return new String[] {CommandLineProgram.NAME + " " + text()};
    }
}
