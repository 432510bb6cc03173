# dspm_library(NAME SOURCES files… DEPS targets…): a static library; nothing when there is no source.
function(dspm_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_SOURCES)
    message(STATUS "${name}: no sources yet")
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  dspm_link(${name} PUBLIC ${arg_DEPS})
endfunction()

# dspm_program(NAME SOURCES files… DEPS targets… [OUTPUT name] [DIRECTORY dir]): an executable, by
# default in bin/; nothing when there is no source.
function(dspm_program name)
  cmake_parse_arguments(arg "" "OUTPUT;DIRECTORY" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_SOURCES)
    message(STATUS "${name}: no sources yet")
    return()
  endif()
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${name})
  endif()
  if(NOT arg_DIRECTORY)
    set(arg_DIRECTORY bin)
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${arg_OUTPUT}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${arg_DIRECTORY})
  dspm_link(${name} PRIVATE ${arg_DEPS})
endfunction()

# Links targets of this project only where they exist (a folder may have no sources yet).
function(dspm_link name scope)
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "^dspm_")
      target_link_libraries(${name} ${scope} $<TARGET_NAME_IF_EXISTS:${dep}>)
    else()
      target_link_libraries(${name} ${scope} ${dep})
    endif()
  endforeach()
endfunction()
