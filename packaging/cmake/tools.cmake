# Faster builds where the tools exist; nothing depends on them.
find_program(DSPM_CCACHE ccache)
if(DSPM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DSPM_CCACHE})
endif()
find_program(DSPM_MOLD mold)
if(DSPM_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
