// Global variables of the terminal: numbers by name, shared by its programs and kept over restarts.
#pragma once

#include "text.hpp"
#include "types.hpp"

namespace mql
{
bool GlobalVariableCheck(const string name);
double GlobalVariableGet(const string name);
bool GlobalVariableGet(const string name, double &value);
// The time at which it was set, 0 if it could not be.
datetime GlobalVariableSet(const string name, double value);
bool GlobalVariableSetOnCondition(const string name, double value, double only_if);
// Not there before, else false and 4502. Gone with its terminal, which here is the folder: nothing clears it.
bool GlobalVariableTemp(const string name);
bool GlobalVariableDel(const string name);
datetime GlobalVariableTime(const string name);
string GlobalVariableName(int at);
int GlobalVariablesTotal();
int GlobalVariablesDeleteAll(const string prefix = null, datetime before = 0);
void GlobalVariablesFlush();
}
