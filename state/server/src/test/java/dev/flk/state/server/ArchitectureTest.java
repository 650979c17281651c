// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Tests of the permitted dependencies between packages. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.flk.state.server", "dev.flk.backend.state", "dev.flk.backend.sessions");

    @Test
    void packages_haveNoCycles() {
        slices().matching("dev.flk.state.server.(*)..")
                .should()
                .beFreeOfCycles()
                .check(CLASSES);
    }

    @Test
    void stateAndSessions_useNoPackageOfTheProgram() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.flk.backend.state..", "dev.flk.backend.sessions..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.flk.state.server..")
                .check(CLASSES);
    }

    @Test
    void grpc_isImportedOnlyByThePortOfTheState() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.flk.backend.state..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.grpc..", "com.google.protobuf..")
                .check(CLASSES);
    }
}
