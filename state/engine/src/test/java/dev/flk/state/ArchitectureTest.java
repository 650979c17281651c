// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** Tests of the dependencies that this module may have. */
final class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.flk.state");

    @Test
    void engine_dependsOnNoStorage_andStoragesOnlyOnTheirLibraries() {
        classes()
                .that()
                .resideInAPackage("dev.flk.state")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("dev.flk.state", "dev.flk.state.fair", "java..", "org.jspecify..")
                .check(CLASSES);
        classes()
                .that()
                .resideInAPackage("dev.flk.state.embedded")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.flk.state..",
                        "dev.flk.view..",
                        "dev.flk.wal..",
                        "org.rocksdb..",
                        "java..",
                        "org.jspecify..")
                .check(CLASSES);
        classes()
                .that()
                .resideInAPackage("dev.flk.state.postgres")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.flk.state..",
                        "dev.flk.backend.stores.postgres",
                        "dev.flk.wal.files",
                        "java..",
                        "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void network_isReachedOnlyThroughJdbc() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.net..")
                .check(CLASSES);
    }

    @Test
    void wallClock_isInjected() {
        noClasses().should().callMethod(Instant.class, "now").check(CLASSES);
        noClasses().should().callMethod(System.class, "currentTimeMillis").check(CLASSES);
    }
}
